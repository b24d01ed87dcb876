package io.twinspan.nvme;

/**
 * Numbers and layouts of the vfio-user protocol, version 0.x, as QEMU and libvfio-user speak it.
 *
 * <p>A message is a header of {@value #HEADER_BYTES} bytes ({@link VfioUserMessage}), a payload,
 * and file descriptors as SCM_RIGHTS. All little-endian. Offsets of payload fields count from the
 * end of the header. Each command that does not carry {@link #FLAG_NO_REPLY} is answered with its
 * message id and command; an error reply is a header alone.
 */
public final class VfioUser {
  /** Size of the header in bytes. */
  public static final int HEADER_BYTES = 16;

  /** Most bytes that one REGION_READ or REGION_WRITE carries with us. */
  public static final int MAX_DATA_BYTES = 4096;

  /** Longest message that we accept, header included. */
  public static final int MAX_MESSAGE_BYTES = 8192;

  /** Most file descriptors with one message that we send or accept. */
  public static final int MAX_FDS = 16;

  /** Protocol version, major. */
  public static final int VERSION_MAJOR = 0;

  /** Protocol version, minor. */
  public static final int VERSION_MINOR = 1;

  /** Header flags, type (3:0): a command. */
  public static final int FLAG_COMMAND = 0;

  /** Header flags, type (3:0): a reply. */
  public static final int FLAG_REPLY = 1;

  /** Header flags, type (3:0): both bits. */
  public static final int FLAG_TYPE_MASK = 0xf;

  /** Header flags: the sender wants no reply. */
  public static final int FLAG_NO_REPLY = 1 << 4;

  /** Header flags: the reply reports an error. */
  public static final int FLAG_ERROR = 1 << 5;

  /** Command: agree on version and capabilities; payload {@link Version}. */
  public static final int VERSION = 1;

  /** Command: give the server a DMA window; payload {@link DmaMap}, one descriptor, empty reply. */
  public static final int DMA_MAP = 2;

  /** Command: take a DMA window away; payload {@link DmaUnmap}, reply the same. */
  public static final int DMA_UNMAP = 3;

  /** Command: what the device is; payload {@link DeviceInfo}. */
  public static final int DEVICE_GET_INFO = 4;

  /** Command: what a region is; payload {@link RegionInfo}. */
  public static final int DEVICE_GET_REGION_INFO = 5;

  /** Command: eventfds that ring a region; payload {@link RegionIoFds}. */
  public static final int DEVICE_GET_REGION_IO_FDS = 6;

  /** Command: what an interrupt type is; payload {@link IrqInfo}. */
  public static final int DEVICE_GET_IRQ_INFO = 7;

  /** Command: connect interrupts to eventfds; payload {@link IrqSet}, empty reply. */
  public static final int DEVICE_SET_IRQS = 8;

  /** Command: read a region; payload {@link RegionAccess}, data follows it in the reply. */
  public static final int REGION_READ = 9;

  /** Command: write a region; payload {@link RegionAccess} and data, reply without the data. */
  public static final int REGION_WRITE = 10;

  /** Command, server to client: read client memory. */
  public static final int DMA_READ = 11;

  /** Command, server to client: write client memory. */
  public static final int DMA_WRITE = 12;

  /** Command: reset the device; no payload. */
  public static final int DEVICE_RESET = 13;

  /**
   * Command of ours, as the four that follow: make a domain, whose queue pairs reach no other
   * memory and no other blocks than the domain's ({@link QueueDomain}); payload {@link
   * DomainCreate}. Only for servers whose VERSION message says how many domains they have.
   */
  public static final int DOMAIN_CREATE = 0x8001;

  /**
   * Command of ours: take a domain's queue pairs away, then its memory, and forget it; payload
   * {@link Domain}, empty reply.
   */
  public static final int DOMAIN_DESTROY = 0x8002;

  /** Command of ours: give a domain memory; payload {@link DomainMap}, one descriptor, no reply. */
  public static final int DOMAIN_MAP = 0x8003;

  /** Command of ours: take it away; payload {@link DomainUnmap}, empty reply. */
  public static final int DOMAIN_UNMAP = 0x8004;

  /**
   * Command of ours: the queue pair that is created next with an identifier is a domain's, and has
   * doorbells of its own; payload {@link DomainBind}. The reply is empty, with two descriptors: a
   * memfd of one page, laid out as {@link DoorbellPage} says, and a stream socket on which eight
   * bytes wake the drive, and eight bytes that come are an interrupt. It hangs up when the drive
   * touches no memory for that queue pair any more. Domain 0 undoes it, if there is no such queue.
   */
  public static final int DOMAIN_BIND = 0x8005;

  /** Regions of a PCI device: BAR0 to BAR5, ROM, configuration space, VGA. */
  public static final int PCI_REGIONS = 9;

  /** Region index of BAR0. */
  public static final int REGION_BAR0 = 0;

  /** Region index of the configuration space. */
  public static final int REGION_CONFIG = 7;

  /** Interrupt types of a PCI device: INTx, MSI, MSI-X, error, request. */
  public static final int PCI_IRQS = 5;

  /** Interrupt type INTx. */
  public static final int IRQ_INTX = 0;

  /** Interrupt type MSI. */
  public static final int IRQ_MSI = 1;

  /** Interrupt type MSI-X. */
  public static final int IRQ_MSIX = 2;

  private VfioUser() {}

  /** Payload of {@link #VERSION}: two numbers and JSON, see {@link VfioUserVersion}. */
  public static final class Version {
    /** u16, major version. */
    public static final int MAJOR = 0;

    /** u16, minor version. */
    public static final int MINOR = 2;

    /** JSON text, ends with a zero byte. */
    public static final int DATA = 4;

    private Version() {}
  }

  /** Payload of {@link #DMA_MAP}. */
  public static final class DmaMap {
    /** u32, size of the payload. */
    public static final int ARGSZ = 0;

    /** u32, {@link #READABLE} and {@link #WRITABLE}. */
    public static final int FLAGS = 4;

    /** u64, offset in the file. */
    public static final int OFFSET = 8;

    /** u64, DMA address. */
    public static final int ADDRESS = 16;

    /** u64, size in bytes. */
    public static final int SIZE = 24;

    /** Size of the payload in bytes. */
    public static final int BYTES = 32;

    /** Flag: the device may read. */
    public static final int READABLE = 1;

    /** Flag: the device may write. */
    public static final int WRITABLE = 1 << 1;

    private DmaMap() {}
  }

  /** Payload of {@link #DMA_UNMAP}, request and reply. */
  public static final class DmaUnmap {
    /** u32, largest reply payload. */
    public static final int ARGSZ = 0;

    /** u32, 0, or {@link #ALL}. */
    public static final int FLAGS = 4;

    /** u64, DMA address of a window that was mapped. */
    public static final int ADDRESS = 8;

    /** u64, its size in bytes. */
    public static final int SIZE = 16;

    /** Size of the payload in bytes. */
    public static final int BYTES = 24;

    /** Flag: every window; address and size are 0. */
    public static final int ALL = 1 << 1;

    private DmaUnmap() {}
  }

  /** Payload of {@link #DOMAIN_CREATE}. */
  public static final class DomainCreate {
    /** u32, namespace; 0 for every namespace, whole. */
    public static final int NSID = 0;

    /** u32, 0 or {@link #WRITABLE}. */
    public static final int FLAGS = 4;

    /** u64, first block. */
    public static final int FIRST_BLOCK = 8;

    /** u64, number of blocks. */
    public static final int BLOCKS = 16;

    /** Size of the payload in bytes. */
    public static final int BYTES = 24;

    /** In the reply: u32, the domain, from 1. */
    public static final int REPLY_DOMAIN = 0;

    /** Size of the reply's payload in bytes. */
    public static final int REPLY_BYTES = 8;

    /** Flag: the blocks may be changed. */
    public static final int WRITABLE = 1;

    private DomainCreate() {}
  }

  /** Payload of {@link #DOMAIN_DESTROY}, and the beginning of the following ones. */
  public static final class Domain {
    /** u32, the domain. */
    public static final int DOMAIN = 0;

    /** Size of the payload in bytes. */
    public static final int BYTES = 8;

    private Domain() {}
  }

  /** Payload of {@link #DOMAIN_MAP}; the drive may read and write the memory. */
  public static final class DomainMap {
    /** u64, offset in the file. */
    public static final int OFFSET = 8;

    /** u64, DMA address, within the domain. */
    public static final int ADDRESS = 16;

    /** u64, size in bytes. */
    public static final int SIZE = 24;

    /** Size of the payload in bytes. */
    public static final int BYTES = 32;

    private DomainMap() {}
  }

  /** Payload of {@link #DOMAIN_UNMAP}. */
  public static final class DomainUnmap {
    /** u64, DMA address of what was mapped. */
    public static final int ADDRESS = 8;

    /** u64, its size in bytes. */
    public static final int SIZE = 16;

    /** Size of the payload in bytes. */
    public static final int BYTES = 24;

    private DomainUnmap() {}
  }

  /** Payload of {@link #DOMAIN_BIND}. */
  public static final class DomainBind {
    /** u32, identifier of the queue pair. */
    public static final int QUEUE = 4;

    /** Size of the payload in bytes. */
    public static final int BYTES = 8;

    private DomainBind() {}
  }

  /** Payload of {@link #DEVICE_GET_INFO}, request and reply. */
  public static final class DeviceInfo {
    /** u32, size of the structure. */
    public static final int ARGSZ = 0;

    /** u32, {@link #FLAG_RESET} and {@link #FLAG_PCI}. */
    public static final int FLAGS = 4;

    /** u32, number of regions. */
    public static final int REGIONS = 8;

    /** u32, number of interrupt types. */
    public static final int IRQS = 12;

    /** Size of the payload in bytes. */
    public static final int BYTES = 16;

    /** Flag: DEVICE_RESET is there. */
    public static final int FLAG_RESET = 1;

    /** Flag: a PCI device. */
    public static final int FLAG_PCI = 1 << 1;

    private DeviceInfo() {}
  }

  /** Payload of {@link #DEVICE_GET_REGION_INFO}; in the reply capabilities follow at CAP_OFFSET. */
  public static final class RegionInfo {
    /** u32, largest reply payload; in the reply what the whole answer needs. */
    public static final int ARGSZ = 0;

    /** u32, {@link #FLAG_READ} and others. */
    public static final int FLAGS = 4;

    /** u32, region index. */
    public static final int INDEX = 8;

    /** u32, offset of the first capability from the payload's start. */
    public static final int CAP_OFFSET = 12;

    /** u64, size in bytes. */
    public static final int SIZE = 16;

    /** u64, offset for mmap. */
    public static final int OFFSET = 24;

    /** Size of the payload without capabilities, in bytes. */
    public static final int BYTES = 32;

    /** Flag: may be read. */
    public static final int FLAG_READ = 1;

    /** Flag: may be written. */
    public static final int FLAG_WRITE = 1 << 1;

    /** Flag: may be mapped, a descriptor comes with the reply. */
    public static final int FLAG_MMAP = 1 << 2;

    /** Flag: there are capabilities, and CAP_OFFSET is set even if they did not fit. */
    public static final int FLAG_CAPS = 1 << 3;

    /** Capability: id u16 at 0, version u16 at 2, offset of the next u32 at 4. */
    public static final int CAP_HEADER_BYTES = 8;

    /** Capability id: only parts may be mapped. */
    public static final int CAP_SPARSE_MMAP = 1;

    /** In the sparse capability: u32, number of areas. */
    public static final int SPARSE_AREAS = 8;

    /** In the sparse capability: the first area, u64 offset and u64 size. */
    public static final int SPARSE_FIRST = 16;

    /** Size of an area in bytes. */
    public static final int SPARSE_AREA_BYTES = 16;

    private RegionInfo() {}
  }

  /** Payload of {@link #DEVICE_GET_REGION_IO_FDS}; in the reply COUNT sub-regions follow. */
  public static final class RegionIoFds {
    /** u32, largest reply payload; in the reply what the whole answer needs. */
    public static final int ARGSZ = 0;

    /** u32, 0. */
    public static final int FLAGS = 4;

    /** u32, region index. */
    public static final int INDEX = 8;

    /** u32, 0 in the request; number of sub-regions in the reply. */
    public static final int COUNT = 12;

    /** Size of the payload without sub-regions, in bytes. */
    public static final int BYTES = 16;

    /** Size of a sub-region in bytes. */
    public static final int SUB_REGION_BYTES = 40;

    /** In a sub-region: u64, offset in the region. */
    public static final int SUB_OFFSET = 0;

    /** In a sub-region: u64, its size in bytes. */
    public static final int SUB_SIZE = 8;

    /** In a sub-region: u32, index of the descriptor in the message. */
    public static final int SUB_FD_INDEX = 16;

    /** In a sub-region: u32, {@link #TYPE_IOEVENTFD}. */
    public static final int SUB_TYPE = 20;

    /** In a sub-region: u32, flags. */
    public static final int SUB_FLAGS = 24;

    /** In a sub-region: u64, value to match. */
    public static final int SUB_DATAMATCH = 32;

    /** Type: an eventfd. */
    public static final int TYPE_IOEVENTFD = 0;

    private RegionIoFds() {}
  }

  /** Payload of {@link #DEVICE_GET_IRQ_INFO}, request and reply. */
  public static final class IrqInfo {
    /** u32, size of the structure. */
    public static final int ARGSZ = 0;

    /** u32, {@link #FLAG_EVENTFD} and others. */
    public static final int FLAGS = 4;

    /** u32, interrupt type. */
    public static final int INDEX = 8;

    /** u32, number of interrupts. */
    public static final int COUNT = 12;

    /** Size of the payload in bytes. */
    public static final int BYTES = 16;

    /** Flag: eventfds may be connected. */
    public static final int FLAG_EVENTFD = 1;

    /** Flag: connected as a set. */
    public static final int FLAG_NORESIZE = 1 << 3;

    private IrqInfo() {}
  }

  /** Payload of {@link #DEVICE_SET_IRQS}. */
  public static final class IrqSet {
    /** u32, size of the payload. */
    public static final int ARGSZ = 0;

    /** u32, one DATA and one ACTION flag. */
    public static final int FLAGS = 4;

    /** u32, interrupt type. */
    public static final int INDEX = 8;

    /** u32, first interrupt. */
    public static final int START = 12;

    /** u32, number of interrupts; 0 with DATA_NONE disconnects all. */
    public static final int COUNT = 16;

    /** Size of the payload without data, in bytes. */
    public static final int BYTES = 20;

    /** Flag: no data. */
    public static final int DATA_NONE = 1;

    /** Flag: a byte for each interrupt. */
    public static final int DATA_BOOL = 1 << 1;

    /** Flag: a descriptor for each interrupt; none disconnects them. */
    public static final int DATA_EVENTFD = 1 << 2;

    /** Flag: about masking. */
    public static final int ACTION_MASK = 1 << 3;

    /** Flag: about unmasking. */
    public static final int ACTION_UNMASK = 1 << 4;

    /** Flag: about triggering. */
    public static final int ACTION_TRIGGER = 1 << 5;

    private IrqSet() {}
  }

  /** Payload of {@link #REGION_READ} and {@link #REGION_WRITE}. */
  public static final class RegionAccess {
    /** u64, offset in the region. */
    public static final int OFFSET = 0;

    /** u32, region index. */
    public static final int REGION = 8;

    /** u32, number of bytes of data. */
    public static final int COUNT = 12;

    /** The data. */
    public static final int DATA = 16;

    private RegionAccess() {}
  }
}
