//! The dashboard, on a port of its own that only this machine reaches. In an app of yours it may be a part of the router,
//! behind your login.

use std::error::Error;

use axum::Router;
use roan::Roan;
use roan::dashboard::Dashboard;

use crate::cache::listen;

/// Returns its URL.
pub(crate) async fn serve(roan: &Roan) -> Result<String, Box<dyn Error>> {
    let dashboard = Dashboard::new(roan).without_auth();
    let address = listen(Router::new().nest_service("/roan", dashboard)).await?;
    Ok(format!("http://{address}/roan"))
}
