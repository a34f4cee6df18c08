#include "io/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <thread>

#include "base/strings.h"

namespace weft::io {

namespace {

// A thread may enter another namespace and need not come back: it ends.
template <typename Work>
Result<void> on_a_thread(Work work) {
  Result<void> outcome;
  std::thread([&] { outcome = work(); }).join();
  return outcome;
}

Result<void> write_file(const char* path, const std::string& text) {
  const FileDescriptor file(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return fail(system_error(concat("cannot write ", path), errno));
  }
  return {};
}

}  // namespace

Result<FileDescriptor> open_namespace(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(system_error(concat("cannot open the network namespace ", path), errno));
  return fd;
}

Result<FileDescriptor> new_network_namespace() {
  FileDescriptor made;
  WEFT_CHECK_OK(on_a_thread([&made]() -> Result<void> {
    if (::unshare(CLONE_NEWNET) != 0) {
      return fail(system_error("cannot make a network namespace (needs CAP_SYS_ADMIN)", errno));
    }
    WEFT_TRY(made, open_namespace("/proc/thread-self/ns/net"));
    return {};
  }));
  return made;
}

Result<void> pin_namespace(const FileDescriptor& name_space, const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444));
  if (!file) return fail(system_error(concat("cannot make ", path), errno));
  const std::string source = concat("/proc/self/fd/", name_space.get());
  if (::mount(source.c_str(), path.c_str(), "none", MS_BIND, nullptr) != 0) {
    const int refusal = errno;
    ::unlink(path.c_str());
    return fail(system_error(concat("cannot name a network namespace ", path), refusal));
  }
  return {};
}

Result<void> unpin_namespace(const std::string& path) {
  // Not mounted (any more) is as good.
  if (::umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) {
    return fail(system_error(concat("cannot unmount ", path), errno));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail(system_error(concat("cannot remove ", path), errno));
  return {};
}

Result<void> run_in_namespace(const FileDescriptor& name_space, const std::function<void()>& work) {
  return on_a_thread([&]() -> Result<void> {
    if (::setns(name_space.get(), CLONE_NEWNET) != 0) {
      return fail(system_error("cannot enter a network namespace (needs CAP_SYS_ADMIN)", errno));
    }
    work();
    return {};
  });
}

Result<void> enter_namespace(const FileDescriptor& name_space) {
  if (::setns(name_space.get(), CLONE_NEWNET) != 0) {
    return fail(system_error("cannot enter a network namespace (needs CAP_SYS_ADMIN)", errno));
  }
  return {};
}

Result<void> become_root_in_user_namespace() {
  const auto uid = ::getuid();
  const auto gid = ::getgid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0) {
    return fail(
        system_error("cannot make a user namespace (see /proc/sys/user/max_user_namespaces and "
                     "kernel.unprivileged_userns_clone, or run as root)",
                     errno));
  }
  WEFT_CHECK_OK(write_file("/proc/self/setgroups", "deny"));
  WEFT_CHECK_OK(write_file("/proc/self/uid_map", concat("0 ", uid, " 1")));
  WEFT_CHECK_OK(write_file("/proc/self/gid_map", concat("0 ", gid, " 1")));
  // What we mount is nobody else's business.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return fail(system_error("cannot make our mounts private", errno));
  }
  return {};
}

}  // namespace weft::io
