// Package fernprom shows what a fernmesh node counts to Prometheus. It is a
// module of its own, so that fernmesh itself depends on no Prometheus package.
//
// # Start here
//
// Register a [Collector] of the node, and serve the registry as usual:
//
//	registry := prometheus.NewRegistry()
//	registry.MustRegister(fernprom.New(n))
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//
// Nothing is measured but when Prometheus asks. A program with several nodes
// tells them apart by a label:
//
//	prometheus.WrapRegistererWith(prometheus.Labels{"node": "kitchen"}, registry).MustRegister(fernprom.New(n))
//
// # Labels
//
// Names of peers and commands come from other machines, so the number of
// label values is bounded: the first 100 peers and the first 200 commands that
// the collector sees have series of their own, and all others together have the
// label "other". [MaxPeers] and [MaxCommands] set other bounds. Observers, which
// have no name, belong to "other".
//
// # Metrics
//
// Of the node:
//
//   - fernmesh_requests_total: calls received from other nodes
//   - fernmesh_results_total{class}: answers sent to them: ok, caller_error,
//     server_error, refused
//   - fernmesh_unknown_answers_total: answers received for no call
//   - fernmesh_calls_total, fernmesh_calls_failed_total,
//     fernmesh_call_retries_total: calls made from here
//   - fernmesh_links_accepted_total, fernmesh_links_dialed_total,
//     fernmesh_dials_failed_total
//   - fernmesh_overloaded_total, fernmesh_policy_denied_total,
//     fernmesh_events_lost_total
//   - fernmesh_running, fernmesh_waiting, fernmesh_argument_bytes: the calls of
//     other nodes that run or wait now
//
// Of each peer:
//
//   - fernmesh_peer_messages_total{peer, direction, kind}: direction in or out;
//     kind hello, hello_ack, ping, pong, bye, bye_ack, request, answer, chunk
//   - fernmesh_peer_bytes_total{peer, direction}
//   - fernmesh_peer_unknown_answers_total{peer}
//   - fernmesh_peer_links{peer}: open now
//
// Of each command:
//
//   - fernmesh_command_calls_total{command}, fernmesh_command_errors_total{command}
//   - fernmesh_command_seconds_total{command}: the time of all calls; its rate
//     over that of the calls is the mean time of one
//   - fernmesh_command_running{command}
package fernprom
