// Hullbeam streams what a customer-data platform knows about a visitor to the
// page that the visitor is looking at. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// The exit codes of all commands.
const (
	exitOK     = 0
	exitFailed = 1 // it could not be done
	exitUsage  = 2 // wrong words, flags or configuration
)

// errUsage marks an error in how a command was called or configured.
var errUsage = errors.New("usage")

// run runs one command and returns its exit code.
func run(ctx context.Context, args []string, std stdio) int {
	root := rootCommand(std)
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintf(std.err, "hullbeam: %v\nRun 'hullbeam --help' for the commands and their flags.\n", err)
		return exitUsage
	}
	fmt.Fprintf(std.err, "hullbeam: %v\n", err)
	return exitFailed
}

// rootCommand is the table of commands. Without one, hullbeam serves.
func rootCommand(std stdio) *cobra.Command {
	serve := serveCommand(std)
	root := &cobra.Command{
		Use:   "hullbeam",
		Short: "Streams what Hull knows about a visitor to the page the visitor is looking at",
		Long: `Hullbeam streams what a customer-data platform (Hull) knows about a visitor to
the page that the visitor is looking at, over server-sent events.

Without a command it serves. Without a secret it serves in development mode, on
this machine alone, and prints what to try.

Exit codes: 0 done, 1 failed, 2 wrong words, flags or configuration.`,
		Args:          noArgs,
		RunE:          serve.RunE,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Flags().AddFlagSet(serve.Flags())
	root.AddCommand(serve, notifyCommand(std), tailCommand(std), benchCommand(std), tokenCommand(std), signCommand(std), keyCommand(std), typesCommand(std), configCommand(std), doctorCommand(std), healthcheckCommand(std), versionCommand(std))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	return root
}

// usage marks err as the caller's.
func usage(err error) error { return usageError{err} }

type usageError struct{ error }

func (usageError) Is(target error) bool { return target == errUsage }
func (e usageError) Unwrap() error      { return e.error }

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("%s takes no %q", cmd.CommandPath(), args[0]))
	}
	return nil
}
