"""Games that live in another process or on another machine: links, accounts, clocks, server and client."""
