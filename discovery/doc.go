// Package discovery finds the nodes of a network on the local network.
package discovery
