//! A model in a library, for the test of the registry.

use roan::purge_on;

/// A model that programs hardly name. (Being generic it is no table, so no test meets it by chance.)
#[purge_on(save, url = "/from-a-library")]
#[derive(Debug)]
pub struct FromALibrary<T>(pub T);
