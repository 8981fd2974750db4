//go:build race

package clustertest

func init() { raceDetector = true }
