//! Settings to stores: the one place that stacks decorators.
