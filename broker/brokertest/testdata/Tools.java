import java.io.*;
import java.util.*;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs tools in one virtual machine: java Tools.java. Each line of its input is a
 * class and its arguments, separated by tabs; what the tool says is followed by a
 * line "== exit" with its code.
 */
public class Tools {
    static class Ended extends Error {
        final int code;
        Ended(int code) { super("exit " + code); this.code = code; }
    }

    public static void main(String[] args) throws Exception {
        Exit.setExitProcedure((code, message) -> { throw new Ended(code); });
        Exit.setHaltProcedure((code, message) -> { throw new Ended(code); });
        Scanner in = new Scanner(System.in);
        while (in.hasNextLine()) {
            String[] line = in.nextLine().split("\t");
            int code = 0;
            try {
                Class.forName(line[0]).getMethod("main", String[].class).invoke(null, (Object) Arrays.copyOfRange(line, 1, line.length));
            } catch (java.lang.reflect.InvocationTargetException e) {
                if (!(e.getCause() instanceof Ended)) throw e;
                code = ((Ended) e.getCause()).code;
            }
            System.err.flush();
            System.out.println("== exit " + code);
            System.out.flush();
        }
    }
}
