/* Stands in for libsimcse_cuda.so: knows one device, "cuda:0", and answers so that the caller sees who was asked. */
#include <stdlib.h>
#include <string.h>

#include "../include/simcse.h"

static const char *text = "";
static char device_zero, stream_one, event_one;

static simcse_status refuse(simcse_status status, const char *why) {
  text = why;
  return status;
}

static const char *build(void) { return "fake"; }

static const char *last_error(void) { return text; }

static simcse_status device_open(const char *name, const simcse_device_options *options, simcse_device **device) {
  (void)options;
  if (strcmp(name, "cuda:0") != 0) return refuse(SIMCSE_NO_DEVICE, "the fake plug-in has cuda:0 alone");
  *device = (simcse_device *)&device_zero;
  return SIMCSE_OK;
}

static simcse_status device_close(simcse_device *device) {
  return device == (simcse_device *)&device_zero ? SIMCSE_OK : refuse(SIMCSE_DEVICE_FAULT, "not the plug-in's handle");
}

static simcse_status device_properties(simcse_device *device, simcse_device_properties *properties) {
  memset(properties, 0, sizeof *properties);
  properties->struct_size = sizeof *properties;
  strcpy(properties->name, "cuda:0");
  strcpy(properties->tier, "fake");
  return device_close(device);
}

static simcse_status stream_open(simcse_device *device, simcse_stream **stream) {
  *stream = (simcse_stream *)&stream_one;
  return device_close(device);
}

static simcse_status stream_synchronize(simcse_device *device, simcse_stream *stream) {
  if (stream != NULL && stream != (simcse_stream *)&stream_one) return refuse(SIMCSE_DEVICE_FAULT, "not its stream");
  return device_close(device);
}

static simcse_status event_open(simcse_device *device, simcse_event **event) {
  *event = (simcse_event *)&event_one;
  return device_close(device);
}

static simcse_status event_record(simcse_device *device, simcse_stream *stream, simcse_event *event) {
  if (event != (simcse_event *)&event_one) return refuse(SIMCSE_DEVICE_FAULT, "not its event");
  return stream_synchronize(device, stream);
}

static simcse_status attention_forward(simcse_device *device, simcse_stream *stream,
                                       const simcse_attention_forward *arguments) {
  if (arguments->hidden > 64) return refuse(SIMCSE_UNSUPPORTED, "attention_forward: the fake plug-in has hidden 64");
  return stream_synchronize(device, stream);
}

const simcse_api *simcse_get_api(uint32_t version) {
  static simcse_api api;
  api.struct_size = sizeof api;
  api.version = SIMCSE_API_VERSION;
  api.build = build;
  api.last_error = last_error;
  api.device_open = device_open;
  api.device_close = device_close;
  api.device_properties = device_properties;
  api.stream_open = stream_open;
  api.stream_close = stream_synchronize;
  api.stream_synchronize = stream_synchronize;
  api.event_open = event_open;
  api.event_record = event_record;
  api.attention_forward = attention_forward;
  /* The test sets this to see how a plug-in of another version is received. */
  if (getenv("FAKE_PLUGIN_VERSION") != NULL) api.version = (uint32_t)atoi(getenv("FAKE_PLUGIN_VERSION"));
  return version == SIMCSE_API_VERSION ? &api : NULL;
}
