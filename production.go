package main

import (
	"fmt"
	"os"
	"strconv"
)

// productionSign is what tells that Hullbeam was not started by a developer in a terminal;
// "" when nothing does. environ are the variables, pid the process.
//
// INVOCATION_ID of systemd says nothing: terminals of desktops are services of the user.
// Builds run in Kubernetes, too, and say so by CI.
func productionSign(env map[string]string, pid int) string {
	switch {
	case pid == 1:
		return "it is process 1, as in a container"
	case env["SYSTEMD_EXEC_PID"] == strconv.Itoa(pid):
		return "systemd has started it"
	case env["KUBERNETES_SERVICE_HOST"] != "" && env["CI"] == "":
		return "KUBERNETES_SERVICE_HOST is set"
	case env["DYNO"] != "":
		return "DYNO is set"
	}
	return ""
}

// refuseProduction refuses development mode where Hullbeam is about to serve others.
func (c Config) refuseProduction(env map[string]string) error {
	if !c.Development() {
		return nil
	}
	if sign := productionSign(env, os.Getpid()); sign != "" {
		return fmt.Errorf("SECRET: without it Hullbeam is in development mode, for a developer's machine alone, but %s: %s", sign, setSecret)
	}
	return nil
}

// setSecret is what to do about development mode where it is refused.
const setSecret = "set SECRET; 'hullbeam key --secret' makes one"
