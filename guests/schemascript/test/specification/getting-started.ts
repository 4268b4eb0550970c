// The example of the specification's "Getting started", as it stands there.
import { Schema, type SchemaBuilder, Table } from '../../src/index.js';

const users: SchemaBuilder = (prop) => ({
  id: prop.integer('id').identifier(),
  name: prop.text('name'),
  avatar: prop.blob('avatar').optional(),
});

const usersSchema = Schema('users', users);
const usersTable = Table('users', users);

export { usersSchema, usersTable };
