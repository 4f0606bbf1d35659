struct Post;

fn saved(_row: &impl roan::Model) {}

fn main() {
    saved(&Post);
}
