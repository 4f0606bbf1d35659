//! A server on a thread of its own: no test, blocking or async, can hold it up.

use std::thread;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::server::port;

/// Runs a future until it is dropped; what the future owns is dropped then, too.
#[derive(Debug)]
pub struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Background {
    /// Listens on a free port of 127.0.0.1 and hands the listener to `serve` on the new thread.
    pub fn serve<F>(
        name: &str,
        serve: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> (Self, std::net::SocketAddr)
    where
        F: Future<Output = ()>,
    {
        let listener = port::listener();
        listener
            .set_nonblocking(true)
            .expect("a listener that tokio can drive");
        let addr = listener.local_addr().expect("a bound listener's address");

        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a tokio runtime")
                    .block_on(async {
                        let listener =
                            TcpListener::from_std(listener).expect("a listener in the runtime");
                        tokio::select! {
                            () = serve(listener) => {}
                            _ = stopped => {}
                        }
                    });
            })
            .expect("a thread for a server");
        let background = Self {
            stop: Some(stop),
            thread: Some(thread),
        };
        (background, addr)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Without a sender the receiver wakes: the runtime ends, and with it every connection.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("a server of the harness panicked");
            }
        }
    }
}
