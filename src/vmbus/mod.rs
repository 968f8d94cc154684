//! VMBus: what a virtual machine and its host say to each other, down to the pipe in which AVMA travels (spec of Hyper-V's
//! open virtual machine bus).
