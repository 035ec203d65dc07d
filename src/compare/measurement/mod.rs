//! What one measurement says of an action, before the others are asked. Must decide nothing of the action: `verdict`
//! does, from all of them.

pub mod isolated;
