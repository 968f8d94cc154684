#![no_main]

volact_fuzz::target!(vmbus_pipe);
