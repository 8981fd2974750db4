// Package proxies has no code: its tests run the configurations of this directory, as they
// are shipped, with the real programs in front of nodes (docs/proxies.md).
package proxies
