//! Facts in, what people read out.

mod judging;
mod shown;
mod world;
