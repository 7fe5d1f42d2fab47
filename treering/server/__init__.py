"""The server: reads a store for browsers and programs. `treering ui` starts it; nothing else imports it."""
