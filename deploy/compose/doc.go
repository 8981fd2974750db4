// Package compose has no code: its tests run the nginx.conf of this directory, as
// it is shipped, in front of nodes that share a Redis, and compare the files with
// each other.
package compose
