// pgjdbc: types, batches, fetch size, generated keys, metadata, server-prepared statements, errors.

import java.math.BigDecimal;
import java.nio.file.*;
import java.sql.*;
import java.time.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

public class PgJdbc {
    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        Connection db = DriverManager.getConnection(url, System.getenv("PGUSER"), "");
        System.out.println(db.isValid(5) + " " + db.getMetaData().getDatabaseProductName());
        Statement statement = db.createStatement();
        statement.execute("SET TimeZone TO 'UTC'");
        statement.execute(Files.readString(Path.of(arguments[0], "kinds.sql")));

        show(statement.executeQuery("SELECT * FROM kinds ORDER BY id"));
        // The sixth time with what the server sends in binary.
        PreparedStatement again = db.prepareStatement("SELECT * FROM kinds WHERE id = ?");
        for (int n = 1; n <= 7; n++) {
            again.setInt(1, 1);
            if (n < 7) again.executeQuery().close();
            else show(again.executeQuery());
        }

        PreparedStatement insert = db.prepareStatement(
            "INSERT INTO kinds (truth, small, number, big, single, double, exact, words, day, clock, moment, instant, code, document, bytes, numbers, names) "
            + "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb, ?, ?, ?)");
        insert.setBoolean(1, false);
        insert.setShort(2, (short) 7);
        insert.setInt(3, -1);
        insert.setLong(4, 1L << 40);
        insert.setFloat(5, 0.5f);
        insert.setDouble(6, 2.5);
        insert.setBigDecimal(7, new BigDecimal("-0.125"));
        insert.setString(8, "it's \\ ü");
        insert.setObject(9, LocalDate.of(1999, 12, 31));
        insert.setObject(10, LocalTime.of(1, 2, 3));
        insert.setObject(11, LocalDateTime.of(2000, 1, 1, 0, 0, 0, 5000));
        insert.setObject(12, OffsetDateTime.of(2001, 2, 3, 0, 0, 0, 0, ZoneOffset.UTC));
        insert.setObject(13, UUID.fromString("12345678-1234-5678-1234-567812345678"));
        insert.setString(14, "{\"k\": [1, 2]}");
        insert.setBytes(15, new byte[] {1, 0, 39, 92});
        insert.setArray(16, db.createArrayOf("int4", new Integer[] {1, 2}));
        insert.setArray(17, db.createArrayOf("text", new String[] {"x", null, "a\"b"}));
        System.out.println(insert.executeUpdate());
        show(statement.executeQuery("SELECT * FROM kinds WHERE id = 3"));

        // Batches, keys that the server made, counts.
        statement.execute("CREATE TABLE item (id serial PRIMARY KEY, name varchar(50) NOT NULL, price numeric(8,2))");
        db.setAutoCommit(false);
        PreparedStatement batch = db.prepareStatement("INSERT INTO item (name, price) VALUES (?, ?)");
        for (int n = 1; n <= 100; n++) {
            batch.setString(1, "item " + n);
            batch.setBigDecimal(2, BigDecimal.valueOf(n).divide(BigDecimal.valueOf(4)));
            batch.addBatch();
        }
        System.out.println(Arrays.stream(batch.executeBatch()).sum());
        db.commit();
        PreparedStatement keyed = db.prepareStatement("INSERT INTO item (name) VALUES (?)", Statement.RETURN_GENERATED_KEYS);
        keyed.setString(1, "keyed");
        System.out.println(keyed.executeUpdate());
        pick(keyed.getGeneratedKeys(), "id", "name");
        keyed = db.prepareStatement("INSERT INTO item (name) VALUES (?)", new String[] {"id"});
        for (String name : List.of("a", "b")) {
            keyed.setString(1, name);
            keyed.addBatch();
        }
        keyed.executeBatch();
        pick(keyed.getGeneratedKeys(), "id");
        db.commit();
        System.out.println(statement.executeUpdate("UPDATE item SET price = price * 2 WHERE id <= 10"));

        // Rows by portions of a portal.
        PreparedStatement portion = db.prepareStatement("SELECT id, coalesce(price, 1.5) AS price FROM item WHERE id > ? ORDER BY id");
        portion.setFetchSize(9);
        portion.setInt(1, 3);
        long sum = 0, rows = 0;
        BigDecimal money = BigDecimal.ZERO;
        try (ResultSet result = portion.executeQuery()) {
            while (result.next()) {
                sum += result.getInt(1);
                rows++;
                money = money.add(result.getBigDecimal("price"));
            }
        }
        System.out.println(sum + " " + rows + " " + money);
        portion.setMaxRows(4);
        rows = 0;
        try (ResultSet result = portion.executeQuery()) {
            while (result.next()) rows++;
        }
        System.out.println(rows);

        // A cursor that can be changed through, and one that goes back.
        Statement scroll = db.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
        try (ResultSet result = scroll.executeQuery("SELECT id, name FROM item WHERE id < 5 ORDER BY id")) {
            result.last();
            System.out.println(result.getRow() + " " + result.getString("name"));
            result.absolute(2);
            result.updateString("name", "changed");
            result.updateRow();
        }
        show(statement.executeQuery("SELECT id, name FROM item WHERE name = 'changed'"));

        Savepoint savepoint = db.setSavepoint("here");
        statement.executeUpdate("INSERT INTO item (name) VALUES ('lost')");
        db.rollback(savepoint);
        db.commit();
        show(statement.executeQuery("SELECT count(*) FROM item WHERE name = 'lost'"));
        db.commit();

        db.setAutoCommit(true);
        for (int level : new int[] {Connection.TRANSACTION_SERIALIZABLE, Connection.TRANSACTION_READ_COMMITTED}) {
            db.setTransactionIsolation(level);
            System.out.println(db.getTransactionIsolation() == level);
        }
        for (String wrong : List.of("SELEC 1", "SELECT * FROM nothing", "INSERT INTO item (id, name) VALUES (1, 'again')", "INSERT INTO item (name) VALUES (NULL)", "SELECT 1/0")) {
            try {
                statement.execute(wrong);
                System.out.println("no error");
            } catch (SQLException error) {
                System.out.println(error.getSQLState() + " " + message(error));
            }
        }
        try {
            PreparedStatement bad = db.prepareStatement("INSERT INTO item (id, name) VALUES (?, ?)");
            for (int n : new int[] {1001, 1002, 1}) {
                bad.setInt(1, n);
                bad.setString(2, "batch");
                bad.addBatch();
            }
            db.setAutoCommit(false);
            bad.executeBatch();
        } catch (BatchUpdateException error) {
            System.out.println(error.getSQLState() + " " + Arrays.toString(error.getUpdateCounts()));
            db.rollback();
        }
        db.setAutoCommit(true);
        boolean more = statement.execute("SELECT 1; UPDATE item SET price = 0 WHERE id = 1; SELECT 2");
        System.out.println(more + " " + statement.getMoreResults() + " " + statement.getUpdateCount() + " " + statement.getMoreResults());

        CopyManager copy = db.unwrap(PGConnection.class).getCopyAPI();
        System.out.println(copy.copyIn("COPY item (id, name) FROM STDIN WITH (FORMAT csv)", new java.io.StringReader("2001,\"a, b\"\n2002,c\n")));
        java.io.StringWriter out = new java.io.StringWriter();
        System.out.println(copy.copyOut("COPY (SELECT id, name FROM item WHERE id > 2000 ORDER BY id) TO STDOUT", out) + " " + out.toString().replace("\t", "|"));

        // What tools ask.
        statement.execute("CREATE TABLE part (a int, b int REFERENCES item (id) ON DELETE CASCADE, c text, PRIMARY KEY (a, b)); CREATE INDEX part_c ON part (c DESC); CREATE VIEW view_of_part AS SELECT a, c FROM part");
        DatabaseMetaData about = db.getMetaData();
        pick(about.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE");
        pick(about.getColumns(null, "public", "%", "%"), "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE", "COLUMN_DEF", "IS_AUTOINCREMENT");
        pick(about.getPrimaryKeys(null, "public", "part"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME");
        pick(about.getImportedKeys(null, "public", "part"), "PKTABLE_NAME", "PKCOLUMN_NAME", "FKCOLUMN_NAME", "DELETE_RULE", "FK_NAME");
        pick(about.getExportedKeys(null, "public", "item"), "FKTABLE_NAME", "FK_NAME");
        pick(about.getIndexInfo(null, "public", "part", false, false), "INDEX_NAME", "NON_UNIQUE", "COLUMN_NAME", "ASC_OR_DESC");
        pick(about.getSchemas(), "TABLE_SCHEM");
        ResultSetMetaData columns = db.prepareStatement("SELECT id, name AS called, price * 2 AS twice FROM item WHERE id = ?").getMetaData();
        for (int n = 1; n <= columns.getColumnCount(); n++) {
            System.out.println(columns.getColumnLabel(n) + " " + columns.getColumnTypeName(n) + " " + columns.getTableName(n) + " " + columns.isNullable(n) + " " + columns.isAutoIncrement(n));
        }
        ParameterMetaData parameters = db.prepareStatement("SELECT id FROM item WHERE id = ? AND upper(name) = ? AND price < ?").getParameterMetaData();
        for (int n = 1; n <= parameters.getParameterCount(); n++) System.out.println(parameters.getParameterTypeName(n));
        db.close();
    }

    /** Without what PostgreSQL knows of a row that it refused. */
    static String message(SQLException error) {
        return ((PSQLException) error).getServerErrorMessage().getMessage();
    }

    static void show(ResultSet result) throws SQLException {
        ResultSetMetaData columns = result.getMetaData();
        while (result.next()) {
            for (int n = 1; n <= columns.getColumnCount(); n++) {
                Object value = result.getObject(n);
                String text = value instanceof byte[] bytes ? Arrays.toString(bytes) : String.valueOf(value);
                System.out.println(columns.getColumnName(n) + " " + columns.getColumnTypeName(n) + " " + columns.getColumnClassName(n) + " " + text);
            }
        }
        result.close();
    }

    static void pick(ResultSet result, String... names) throws SQLException {
        while (result.next()) {
            StringJoiner line = new StringJoiner(" ");
            for (String name : names) line.add(String.valueOf(result.getObject(name)));
            System.out.println(line);
        }
        result.close();
    }
}
