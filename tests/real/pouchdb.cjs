// A CouchDB in memory, with PouchDB's own HTTP server.
"use strict";

const { createRequire } = require("node:module");

const load = createRequire(`${process.env.NODE_PACKAGES}/`);
const PouchDB = load("pouchdb").plugin(load("pouchdb-adapter-memory"));
const app = load("express")();

const options = { inMemoryConfig: true, mode: "minimumForPouchDB" };
app.use("/", load("express-pouchdb")(PouchDB.defaults({ adapter: "memory" }), options));
app.listen(Number(process.env.PORT), "127.0.0.1");
