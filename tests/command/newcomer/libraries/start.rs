//! At the start of `main`, with each library: without axum, and with it.

use std::error::Error;

fn start() -> Result<(), Box<dyn Error>> {
    let roan = roan::global()?;
    let _guard = roan.guard(std::time::Duration::from_secs(10));
    Ok(())
}

fn start_with_axum(app: axum::Router) -> Result<axum::Router, Box<dyn Error>> {
    let roan = roan::RoanBuilder::from_env()?
        .web(roan::web::Web::new())
        .install()?;
    let _guard = roan.guard(std::time::Duration::from_secs(10));
    let app = app.layer(roan.web()?);
    Ok(app)
}
