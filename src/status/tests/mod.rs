//! Facts in, what people read out.

mod judging;
mod operating;
mod shown;
mod world;
