use roan::purge_on;

#[purge_on(save, url = "/posts")]
fn save_post() {}

fn main() {
    save_post();
}
