use roan::purge_on;

#[purge_on(save, url = "/posts")]
trait Model {}

struct Post;

#[purge_on(save, url = "/posts")]
#[purge_on(delete, url = "/posts")]
impl Model for Post {}

impl Post {
    #[purge_on(save, url = "/posts")]
    fn save(&self) {}
}

#[purge_on(save, url = "/posts")]
mod posts {}

fn main() {}
