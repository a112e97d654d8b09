"""The conformance table: where public implementations agree with the definitions, where they do not, and why."""
