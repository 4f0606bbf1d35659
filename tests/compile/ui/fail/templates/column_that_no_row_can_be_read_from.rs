use roan::purge_on;

#[purge_on(save, url = "/{status.page()}/{published}", when = self.published)]
#[purge_on(table = "posts", from_row)]
struct Post {
    published: bool,
    status: Status,
}

struct Status;

impl Status {
    fn page(&self) -> u8 {
        1
    }
}

// All its fields can be read.
#[purge_on(save, url = "/{rating?}", when = self.is_rated(), table = "pages", from_row)]
struct Page {
    rating: Option<f64>,
}

impl Page {
    fn is_rated(&self) -> bool {
        self.rating.is_some()
    }
}

fn main() {}
