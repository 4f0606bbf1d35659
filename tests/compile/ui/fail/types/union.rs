use roan::purge_on;

#[purge_on(save, url = "/posts")]
union Number {
    whole: u32,
    broken: f32,
}

fn main() {}
