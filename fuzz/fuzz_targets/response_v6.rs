#![no_main]

volact_fuzz::target!(response_v6);
