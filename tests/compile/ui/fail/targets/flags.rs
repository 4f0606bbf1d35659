use roan::purge_on;

#[purge_on(save, host = "www.example.org")]
#[purge_on(save, host("shop"))]
#[purge_on(save, everything = true)]
#[purge_on(save, everything, site = "shop")]
#[purge_on(save, "host")]
#[purge_on(save, hots)]
#[purge_on(save, all)]
#[purge_on(save, folder = "/docs/")]
#[purge_on(save, prefix)]
#[purge_on(save, prefix = Self::docs)]
struct Post {
    slug: String,
}

#[purge_on(save, host, host)]
#[purge_on(save, delete, everything)]
#[purge_on(delete, everything)]
#[purge_on(save, host, site = "shop")]
struct Twice;

fn main() {}
