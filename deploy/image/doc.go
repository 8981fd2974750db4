// Package image has no code: its tests hold the Dockerfile at the root of the project
// against what it copies, and run what the image would have, in a root of its own.
package image
