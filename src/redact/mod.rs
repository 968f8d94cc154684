//! What must not leave a machine: product keys in every form, and stand-ins for all that names a machine.
