package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

func (m *Main) publishCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish [flags] TOPIC VALUE",
		Short: "Publish a value to the subscribers of a topic",
		Long: `Publish hands a value to a node, which publishes it to whoever subscribed to the
topic: at most once each. VALUE is JSON where it is JSON, else text. Exit code 0
means that a node took it, not that anybody listens.`,
		Args: between(2, 2),
	}
	flags := addFlags(cmd, callOptions)
	cmd.RunE = m.calling(flags, func(ctx context.Context, c *caller, args []string) error {
		value, err := parseJSON(args[1])
		if errors.Is(err, errNotJSON) {
			value, err = args[1], nil
		}
		if err != nil {
			return faultf(exitUsage, `"fernmesh call --help" shows how values are written`, "%v", err)
		}
		if err := c.Publish(ctx, args[0], value); err != nil {
			return callFault(err, "*", args[0])
		}
		return nil
	})
	return cmd
}

func (m *Main) subscribeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subscribe [flags] PATTERN",
		Short: "Print what is published under matching topics, until interrupted",
		Long: `Subscribe prints what the nodes of the network publish under topics that match
PATTERN, a line each, until it is interrupted. In a pattern "*" stands for one
segment and "**" at the end for one or more: 'lights.*.changed', 'lights.**'.`,
		Args: between(1, 1),
	}
	flags := addFlags(cmd, callOptions)
	count := cmd.Flags().Int("count", 0, "stop after `N` values")
	cmd.RunE = m.calling(flags, func(ctx context.Context, c *caller, args []string) error {
		s, err := c.Subscribe(ctx, args[0])
		if err != nil {
			return callFault(err, "*", args[0])
		}
		defer s.Close()
		m.notef("subscribed to %s, at %d nodes so far", args[0], len(c.Peers()))
		return m.printMessages(ctx, c, s, *count)
	})
	return cmd
}

func (m *Main) printMessages(ctx context.Context, c *caller, s *node.Subscription, count int) error {
	printed := 0
	for msg := range s.Messages(ctx) {
		v, err := msg.Value()
		if err != nil {
			return answerFault(err)
		}
		if c.json {
			err = m.printJSON(map[string]any{"topic": msg.Topic, "node": msg.Node, "value": v, "missed": msg.Missed})
		} else {
			_, err = fmt.Fprintf(m.out, "%s %s: %s\n", escapeLine(msg.Node), escapeLine(msg.Topic), oneLine(v))
		}
		if err != nil {
			return err
		}
		if msg.Missed > 0 {
			m.notef("%d values of %s were missed before this one", msg.Missed, msg.Node)
		}
		if printed++; printed == count {
			return nil
		}
	}
	return nil
}
