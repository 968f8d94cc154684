#![no_main]

volact_fuzz::target!(diagnose);
