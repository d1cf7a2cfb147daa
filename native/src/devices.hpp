// The handles that callers hold. A handle is a number that no memory has as its address and that never comes again, so
// that a closed one, or any other pointer, is found out instead of followed.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "../include/simcse.h"

namespace simcse {

// An open device: the table that does its work, and the handles of that table behind the caller's.
struct Device {
  const simcse_api *backend;
  simcse_device *inner;
  bool host_memory;  // the content of arguments can be read here
  std::map<simcse_stream *, simcse_stream *> streams;
  std::map<simcse_event *, simcse_event *> events;
  std::set<simcse_stream *> recording;  // the caller's handles; null is the device's own stream
};

std::shared_ptr<Device> open_device(const char *name, const simcse_device_options *options);
simcse_device *add(std::shared_ptr<Device> device);
void remove(simcse_device *handle);

// Throws a Failure that names the operation where the handle is not open.
std::shared_ptr<Device> device_of(const char *operation, simcse_device *handle);

simcse_stream *add(Device &device, simcse_stream *inner);
simcse_event *add(Device &device, simcse_event *inner);
// Null is the device's own stream and stays null.
simcse_stream *stream_of(const char *operation, const Device &device, simcse_stream *handle);
simcse_event *event_of(const char *operation, const char *argument, const Device &device, simcse_event *handle);

// Throws a Failure with the backend's text where the status is not SIMCSE_OK.
void passed_on(const char *operation, const simcse_api &backend, simcse_status status);

}  // namespace simcse
