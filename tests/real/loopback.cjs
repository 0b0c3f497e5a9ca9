// Preloaded by `node --require`: a server that names no host listens on this machine only.
"use strict";

const net = require("node:net");

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  const named = typeof port === "object" || typeof rest[0] === "string";
  return named ? listen.call(this, port, ...rest) : listen.call(this, port, "127.0.0.1", ...rest);
};
