package main

import (
	"context"
	"log"
	"net"
	"strings"
	"sync/atomic"

	"github.com/miekg/dns"
)

const ttlSeconds = 2

// Table maps a full, lower-case name to its addresses.
type Table struct {
	names atomic.Pointer[map[string][]string]
}

func (t *Table) replace(names map[string][]string) {
	t.names.Store(&names)
}

// lookup also says whether a name exists without an address of its own, as every name between two others does.
func (t *Table) lookup(name string) (addresses []string, exists bool) {
	names := t.names.Load()
	if names == nil {
		return nil, false
	}
	if addresses, ok := (*names)[name]; ok {
		return addresses, true
	}
	for known := range *names {
		if strings.HasSuffix(known, "."+name) {
			return nil, true
		}
	}
	return nil, false
}

// ServeDNS answers A; other questions about a name that exists get an empty answer, anything else NXDOMAIN: nothing is
// ever asked of another server.
func (t *Table) ServeDNS(writer dns.ResponseWriter, request *dns.Msg) {
	reply := new(dns.Msg).SetReply(request)
	reply.Authoritative = true
	reply.RecursionAvailable = true
	if len(request.Question) != 1 {
		reply.Rcode = dns.RcodeFormatError
	} else if addresses, exists := t.lookup(strings.ToLower(request.Question[0].Name)); !exists {
		reply.Rcode = dns.RcodeNameError
	} else if question := request.Question[0]; question.Qtype == dns.TypeA {
		for _, address := range addresses {
			header := dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttlSeconds}
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: net.ParseIP(address)})
		}
	}
	if err := writer.WriteMsg(reply); err != nil {
		log.Printf("answering: %v", err)
	}
}

func serveNames(ctx context.Context, address string, table *Table) error {
	packets, err := net.ListenPacket("udp4", address)
	if err != nil {
		return err
	}
	stream, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: table}, {Listener: stream, Handler: table}} {
		go func() {
			if err := server.ActivateAndServe(); err != nil && ctx.Err() == nil {
				log.Fatal(err)
			}
		}()
	}
	return nil
}
