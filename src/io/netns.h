// Network namespaces: a network of one's own, with interfaces, addresses, ports and nftables rules.
//
//   auto pod = new_network_namespace();
//   run_in_namespace(*pod, [&] { acceptor = loop.listen(address, {}); });
//
// A socket belongs for ever to the namespace it was made in; the loop that serves it need not be there.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "io/file_descriptor.h"

namespace weft::io {

// /run/netns/NAME, /proc/PID/ns/net, …
Result<FileDescriptor> open_namespace(const std::string& path);
// A fresh one, with its loopback down. It lives as long as the descriptor, a process or a pin does.
Result<FileDescriptor> new_network_namespace();
// Gives it a name in the file system, as `ip netns add` does; `path` is made. unpin removes it.
Result<void> pin_namespace(const FileDescriptor& name_space, const std::string& path);
Result<void> unpin_namespace(const std::string& path);

// Runs `work` inside, on a thread that exists for nothing else, and waits for it. What `work` makes stays
// there.
Result<void> run_in_namespace(const FileDescriptor& name_space, const std::function<void()>& work);

// Moves this process into it, for good. Before any other thread starts: those that run stay where they are.
Result<void> enter_namespace(const FileDescriptor& name_space);

// Makes this process root in a user, mount and network namespace of its own, so that it may do without
// privilege what a mesh on one machine needs. Before any thread starts. Its own uid becomes 0; other
// users do not exist there.
Result<void> become_root_in_user_namespace();

}  // namespace weft::io
