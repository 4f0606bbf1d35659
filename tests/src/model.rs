//! A model in a library, for the test of the registry.

use roan::purge_on;

/// A model that programs do not name otherwise. (It is generic, so it is not a table, and other tests do not meet it.)
#[purge_on(save, url = "/from-a-library")]
#[derive(Debug)]
pub struct FromALibrary<T>(pub T);
