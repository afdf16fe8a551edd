//! The staff member's app: adapters between `client-ui` and `client-agent`, and the platform under the toolkit.
