use roan::purge_on;

#[purge_on(save, url = "/posts", from_row = true)]
struct Value;

#[purge_on(save, url = "/posts", from_row, from_row)]
struct Twice;

#[purge_on(save, url = "/posts", "from_row")]
struct Quoted;

#[purge_on(save, url = "/posts", from_rows)]
struct Misspelt;

#[purge_on(save, url = "/posts", from_row)]
enum Kind {}

#[purge_on(save, url = "/posts", from_row)]
struct Borrowed<'a> {
    slug: &'a str,
}

#[purge_on(from_row)]
struct Tuple(u32);

fn main() {}
