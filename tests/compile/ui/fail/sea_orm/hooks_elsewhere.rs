#[roan::hooks]
struct Post;

#[roan::hooks]
impl Clone for Post {
    fn clone(&self) -> Self {
        Post
    }
}

#[roan::hooks(save)]
impl Default for Post {
    fn default() -> Self {
        Post
    }
}

fn main() {}
