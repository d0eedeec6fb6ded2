"""Where observations come from: each source looks at one thing, in a thread of its own."""
