package main

import (
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

const dialTimeout = 5 * time.Second

// Proxy holds one listener for every ClusterIP:port that has a Ready pod. A Service without one is not listened for,
// so that its clients are refused at once, as on a cluster with kube-proxy.
type Proxy struct {
	allowed   netip.Prefix
	listeners map[string]*frontend
	// direct remembers, by generation, the fronts whose port the pod itself holds on 0.0.0.0: connections already
	// reach it, and taking the port in the moment its container restarts would keep the container from binding.
	direct map[string]string
}

type frontend struct {
	listener net.Listener
	backends atomic.Pointer[Backends]
	next     atomic.Uint64
}

func newProxy(allowed netip.Prefix) *Proxy {
	return &Proxy{allowed: allowed, listeners: map[string]*frontend{}, direct: map[string]string{}}
}

func (p *Proxy) apply(wanted map[string]Backends) {
	for address, front := range p.listeners {
		if _, ok := wanted[address]; !ok {
			front.listener.Close()
			delete(p.listeners, address)
		}
	}
	for address := range p.direct {
		if _, ok := wanted[address]; !ok {
			delete(p.direct, address)
		}
	}
	for address, backends := range wanted {
		if front, ok := p.listeners[address]; ok {
			front.backends.Store(&backends)
		} else if p.direct[address] != backends.generation {
			p.open(address, backends)
		}
	}
}

func (p *Proxy) open(address string, backends Backends) {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil || !p.allowed.Contains(parsed.Addr()) {
		return
	}
	listener, err := net.Listen("tcp4", address)
	if errors.Is(err, syscall.EADDRINUSE) && backends.onPort(parsed.Port()) {
		p.direct[address] = backends.generation
		return
	}
	if err != nil {
		log.Printf("%s: %v", address, err)
		return
	}
	front := &frontend{listener: listener}
	front.backends.Store(&backends)
	p.listeners[address] = front
	go front.serve()
}

func (p *Proxy) closeAll() {
	for _, front := range p.listeners {
		front.listener.Close()
	}
}

func (b Backends) onPort(port uint16) bool {
	for _, address := range b.addresses {
		if parsed, err := netip.ParseAddrPort(address); err == nil && parsed.Port() == port {
			return true
		}
	}
	return false
}

func (f *frontend) serve() {
	for {
		client, err := f.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Printf("%s: %v", f.listener.Addr(), err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go f.splice(client.(*net.TCPConn))
	}
}

// splice tries every pod once, starting with a different one each time; if none answers the client is reset.
func (f *frontend) splice(client *net.TCPConn) {
	addresses := f.backends.Load().addresses
	first := f.next.Add(1)
	for offset := range addresses {
		address := addresses[(first+uint64(offset))%uint64(len(addresses))]
		pod, err := net.DialTimeout("tcp4", address, dialTimeout)
		if err != nil {
			continue
		}
		go pipe(pod.(*net.TCPConn), client)
		pipe(client, pod.(*net.TCPConn))
		return
	}
	client.SetLinger(0)
	client.Close()
}

// pipe copies one direction and passes the end of the stream on, so that half-closed connections work. A broken
// stream ends both directions: without that, the other one would wait for ever.
func pipe(to, from *net.TCPConn) {
	_, err := io.Copy(to, from)
	if err != nil {
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite()
	from.CloseRead()
}
