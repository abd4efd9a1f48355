//! Native frames: from one to its caller.
//!
//! Much code is compiled without frame pointers, so the way to a function's caller is described in its module's
//! `.eh_frame`. To read that costs a microsecond; so what it says about an address is packed into 16 bits
//! ([`Rule`](x86_64::Rule)) and kept in one table for all threads ([`rule_table`]). A step then costs one look-up and
//! two loads; where it says that there is a frame pointer, the processor need not wait for the look-up.
//!
//! - [`frame`]: what is known of a frame.
//! - [`x86_64`]: registers and rules of the processor.
//! - [`rule_table`]: the rules that are known.
//! - [`call_frame_information`]: `.eh_frame`, read by gimli; the steps that no rule can express.
//! - [`loaded_objects`]: which module holds an address, as the loader knows it.
//! - [`mappings`]: the same, and stacks, as the kernel lists them.
//! - [`jit_code`]: unwinding information that the program registers for code that it makes.
//! - [`made_code`]: out of such code where there is none.
//! - [`unloading`]: modules that go, and what must be dropped then.
//! - [`stack_region`]: memory that may be read as stack.
//! - [`unwinder`]: all of it together.
//! - [`walk`]: the way along a thread's frames.
//! - [`checking`]: the same stacks as another unwinder sees them.
//! - [`modules`]: the modules that were described to the recorder.

pub mod call_frame_information;
pub mod checking;
pub mod frame;
pub mod jit_code;
pub mod loaded_objects;
mod made_code;
pub mod mappings;
#[cfg(all(test, target_arch = "x86_64"))]
mod mixed_frames;
pub mod modules;
pub mod rule_table;
pub mod stack_region;
pub mod unloading;
pub mod unwinder;
pub mod walk;
pub mod x86_64;
