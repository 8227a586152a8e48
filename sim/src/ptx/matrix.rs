//! Matrix instructions: which lane and register holds which element, and what they compute.
