package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/internal/config"
)

func (a *app) configCmd() *cobra.Command {
	return group("config", "Show the configuration", textOnly(&cobra.Command{
		Use: "print", Short: "Print the effective values and where each came from", Args: args(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.out, a.cfg.Effective())
			return err
		},
	}), textOnly(&cobra.Command{
		Use: "keys", Short: "Print every key with its default and meaning", Args: args(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.out, config.Table())
			return err
		},
	}))
}

func (a *app) versionCmd() *cobra.Command {
	return textOnly(&cobra.Command{
		Use: "version", Short: "Print the version", Args: args(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, "ragloop", codeVersion())
			return err
		},
	})
}

// codeVersion names the code that is running: the module version, or the
// commit it was built from, as far as the build recorded either.
func codeVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if version == "" {
		version = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && version == "(devel)" {
			version = s.Value
		}
	}
	return version
}
