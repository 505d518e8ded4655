package main

import "github.com/spf13/cobra"

// benchCmd holds the measurements that README's figures come from.
func (a *app) benchCmd() *cobra.Command {
	return group("bench", "Measure this program", a.benchServeCmd(), a.benchQualityCmd())
}
