import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

/** Transactions of Apache Kafka's Java client against a running cluster: java Transactions.java HOST:PORT. */
public class Transactions {
    static String servers;

    static KafkaProducer<String, String> producer(String id) {
        Properties p = new Properties();
        p.put("bootstrap.servers", servers);
        p.put("transactional.id", id);
        p.put("transaction.timeout.ms", "20000");
        KafkaProducer<String, String> k = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
        k.initTransactions();
        return k;
    }

    static KafkaConsumer<String, String> consumer(String group) {
        Properties p = new Properties();
        p.put("bootstrap.servers", servers);
        p.put("group.id", group);
        p.put("isolation.level", "read_committed");
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("max.poll.records", "4");
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    static List<String> read(String topic, String group, int n) {
        List<String> got = new ArrayList<>();
        try (KafkaConsumer<String, String> c = consumer(group)) {
            c.subscribe(List.of(topic));
            long until = System.currentTimeMillis() + 60000;
            while (got.size() < n && System.currentTimeMillis() < until) c.poll(Duration.ofMillis(200)).forEach(r -> got.add(r.value()));
            c.poll(Duration.ofMillis(500)).forEach(r -> got.add(r.value()));
        }
        return got;
    }

    static void check(String what, Object want, Object got) {
        if (!want.equals(got)) {
            System.out.println("FAILED " + what + ": want " + want + ", got " + got);
            System.exit(1);
        }
        System.out.println("ok " + what);
    }

    public static void main(String[] args) throws Exception {
        servers = args[0];
        String run = Long.toString(System.currentTimeMillis(), 36), from = "in-" + run, to = "out-" + run;
        KafkaProducer<String, String> p = producer("x-" + run);
        p.beginTransaction();
        for (int i = 0; i < 10; i++) p.send(new ProducerRecord<>(from, "" + i, "a" + i));
        p.commitTransaction();
        p.beginTransaction();
        for (int i = 0; i < 10; i++) p.send(new ProducerRecord<>(from, "" + i, "lost" + i));
        p.flush();
        p.abortTransaction();
        p.beginTransaction();
        for (int i = 0; i < 30; i++) p.send(new ProducerRecord<>(from, "" + i, "b" + i));
        p.commitTransaction();
        List<String> in = read(from, "reader-" + run, 40);
        check("committed records alone are read", 40, in.size());
        check("none of the aborted ones", 0L, in.stream().filter(v -> v.startsWith("lost")).count());

        KafkaProducer<String, String> second = producer("x-" + run);
        try {
            p.beginTransaction();
            p.send(new ProducerRecord<>(from, "zombie")).get();
            p.commitTransaction();
            check("the first instance is fenced", true, false);
        } catch (Exception e) {
            Throwable t = e instanceof java.util.concurrent.ExecutionException ? e.getCause() : e;
            check("the first instance is fenced", true, t instanceof ProducerFencedException || t instanceof InvalidProducerEpochException);
        }
        second.close();

        int sent = 0;
        boolean asked = false;
        KafkaProducer<String, String> mover = producer("mover-" + run);
        KafkaConsumer<String, String> c = consumer("movers-" + run);
        c.subscribe(List.of(from));
        long until = System.currentTimeMillis() + 120000;
        while (sent < 40 && System.currentTimeMillis() < until) {
            ConsumerRecords<String, String> rs = c.poll(Duration.ofMillis(200));
            if (rs.isEmpty()) continue;
            try {
                mover.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> at = new HashMap<>();
                for (ConsumerRecord<String, String> r : rs) {
                    mover.send(new ProducerRecord<>(to, r.key(), r.value()));
                    at.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                mover.sendOffsetsToTransaction(at, c.groupMetadata());
                mover.commitTransaction();
                sent += rs.count();
                if (!asked) System.out.println("kill " + run);
                asked = true;
            } catch (ProducerFencedException e) {
                throw e;
            } catch (org.apache.kafka.common.KafkaException e) {
                System.out.println("aborted: " + e.getMessage());
                mover.abortTransaction();
                Map<TopicPartition, OffsetAndMetadata> committed = c.committed(c.assignment());
                for (TopicPartition tp : c.assignment()) c.seek(tp, committed.get(tp) == null ? 0 : committed.get(tp).offset());
            }
            Thread.sleep(300);
        }
        List<String> out = read(to, "check-" + run, 40);
        check("each record moved", new TreeSet<>(in), new TreeSet<>(out));
        check("each once", 40, out.size());
        System.out.println("done");
        System.exit(0);
    }
}
