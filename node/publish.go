package node

import (
	"context"
	"errors"

	"github.com/fernmesh/fernmesh/commands"
)

// Publish hands a value to every subscriber of a topic in the network, this
// node's own included: at most once each, in the order of publishing, without
// waiting for any. A topic is a dotted path, as commands have; a value takes at
// most Limits.PublicationBytes. A subscriber whose queue is full loses the
// value, and learns how many it lost.
//
// The context matters to an observer alone, to which nobody can subscribe: it
// publishes through a node, and the error is that of the call.
func (n *Node) Publish(ctx context.Context, topic string, v any) error {
	path, err := commands.ParsePath(topic)
	if err != nil {
		return badCall(err)
	}
	raw, err := commands.EncodeValue(v)
	if err != nil {
		return badCall(err)
	}
	if err := n.usable(); err != nil {
		return callError(commands.Unavailable, commands.ExecutedNo, commands.WhereCaller, err, "start the node before it publishes")
	}
	if n.cfg.Observer {
		return n.publishThrough(ctx, topic, raw)
	}
	return n.publish(path, raw)
}

func (n *Node) publish(topic commands.Path, raw []byte) error {
	if most := n.cfg.Limits.PublicationBytes; len(raw) > most {
		e := commands.Errorf(commands.ResourceExhausted, "the value takes %d bytes, and at most %d are published", len(raw), most)
		e.Where, e.Hint = commands.WhereCaller, "publish where the data can be had, and offer it as a stream"
		return e.DidNotRun()
	}
	n.topics.publish(topic, publication{Topic: topic.String(), Value: raw})
	return nil
}

// publishThrough has the first node that takes it publish a value.
func (n *Node) publishThrough(ctx context.Context, topic string, raw []byte) error {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	err := n.Settle(ctx)
	names := n.roster.names()
	if err == nil && len(names) == 0 {
		err = errors.New("no node was found to publish through")
	}
	if err != nil {
		return callError(commands.Unavailable, commands.ExecutedNo, commands.WherePath, err, "see with \"fernmesh peers\" who is there")
	}
	for _, name := range names {
		_, err = n.Call(ctx, name, "__publish__", Args(topic, commands.Raw(raw)))
		var e *commands.Error
		if !errors.As(err, &e) || e.Executed != commands.ExecutedNo {
			break
		}
	}
	return err
}

// publishArgs are the arguments of `__publish__`.
type publishArgs struct {
	Topic string       `json:"topic"`
	Value commands.Raw `json:"value"`
}

// servePublish publishes for an observer.
func (n *Node) servePublish(_ context.Context, in publishArgs) (any, error) {
	path, err := commands.ParsePath(in.Topic)
	if err != nil {
		return nil, err
	}
	return nil, n.publish(path, in.Value)
}

// addTopics registers the commands by which topics work.
func (n *Node) addTopics() error {
	err := commands.ServerStream(n.tree, "__subscribe__", n.serveSubscription,
		commands.Doc("Yields what this node publishes under topics that match a pattern."), commands.Force())
	if err != nil {
		return err
	}
	return commands.Func(n.tree, "__publish__", n.servePublish,
		commands.Doc("Publishes a value for a caller that is no node: topic, value."), commands.Force())
}

// asCaller is how this node's own commands see it.
func (n *Node) asCaller() commands.Caller {
	return commands.Caller{
		Name: n.Name(), Key: n.identity.Public(), Verified: true, Instance: n.instance,
		Network: n.cfg.Network, Path: pathSelf,
	}
}
