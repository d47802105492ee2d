package relayserver

import "sync/atomic"

// Stats are the relay's counters. They name no client, room or address.
type Stats struct {
	Connections int64 // open now
	HalfOpen    int64 // of those, not joined
	Members     int64 // of those, joined
	Rooms       int64 // with members now
	QueueBytes  int64 // of memory that the queues hold now

	Joins     int64 // since the start, as all that follow
	Turned    int64 // connections closed by a limit, before a word was said
	Refused   int64 // clients turned away with ERROR
	BadHTTP   int64 // requests for anything else
	Records   int64 // forwarded
	Bytes     int64 // of records forwarded, without their frames
	Absent    int64 // sessions ended since the other end had left
	Overflows int64 // sessions ended since the other end did not take their records
	Stalled   int64 // clients cut because they took nothing
	Silent    int64 // clients cut because nothing came from them
	Malformed int64 // clients cut for what the protocol does not allow
}

// counters are those of Stats that only count.
type counters struct {
	rooms, members                                                atomic.Int64
	joins, turned, refused, badHTTP                               atomic.Int64
	records, bytes, absent, overflows, stalled, silent, malformed atomic.Int64
}

// Stats returns the counters. It may be called at any time.
func (s *Server) Stats() Stats {
	c := &s.count
	open, half, evicted := s.door.counts()
	return Stats{
		Connections: int64(open), HalfOpen: int64(half), Members: c.members.Load(), Rooms: c.rooms.Load(),
		QueueBytes: s.gate.used.Load(),
		Joins:      c.joins.Load(), Turned: c.turned.Load() + evicted, Refused: c.refused.Load(), BadHTTP: c.badHTTP.Load(),
		Records: c.records.Load(), Bytes: c.bytes.Load(), Absent: c.absent.Load(), Overflows: c.overflows.Load(),
		Stalled: c.stalled.Load(), Silent: c.silent.Load(), Malformed: c.malformed.Load(),
	}
}
