// java -cp DRIVER Traps.java LIBRARY GOOD HOSTILE...   with org.xerial's driver, which brings its own SQLite
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Properties;

public class Traps {
    static String text(Connection db, String sql, String... arguments) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int n = 0; n < arguments.length; n++) statement.setString(n + 1, arguments[n]);
            try (var rows = statement.executeQuery()) {
                return rows.next() ? rows.getString(1) : null;
            }
        }
    }

    /** Null checks that the JVM makes by signals: after a while this is compiled code. */
    static int nulls() {
        int caught = 0;
        for (int n = 0; n < 20000; n++) {
            String text = n % 7 == 0 ? null : "x";
            try {
                text.length();
            } catch (NullPointerException e) {
                caught++;
            }
        }
        return caught;
    }

    static int depth(int n) {
        return depth(n + 1) + 1;
    }

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.setProperty("enable_load_extension", "true");
        Connection db = DriverManager.getConnection("jdbc:sqlite::memory:", settings);
        int before = nulls();
        text(db, "SELECT load_extension(?)", arguments[0]);
        text(db, "SELECT proc_create('good', ?)", arguments[1]);
        for (int round = 0; round < 5; round++) {
            for (int n = 2; n < arguments.length; n++) {
                text(db, "SELECT proc_create('bad', ?, '{\"replace\": true}')", arguments[n]);
                String told = "nothing";
                try {
                    text(db, "SELECT bad()");
                } catch (SQLException error) {
                    told = error.getMessage();
                }
                if (!told.contains("'bad'")) throw new Exception("told: " + told);
                if (!"42".equals(text(db, "SELECT good(41)"))) throw new Exception("good");
                if (nulls() != before) throw new Exception("the JVM's own null checks");
                System.gc();
                try {
                    depth(0);
                    throw new Exception("endless");
                } catch (StackOverflowError expected) {
                    // The JVM finds its own stack's end by a signal too.
                }
            }
        }
        System.out.println("alive");
    }
}
