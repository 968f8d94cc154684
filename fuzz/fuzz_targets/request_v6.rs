#![no_main]

volact_fuzz::target!(request_v6);
